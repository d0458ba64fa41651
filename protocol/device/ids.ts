/**
 * How a device shows itself on USB: one device with three ways in, of which a signer takes whichever the system lets it
 * have. Descriptors, rules of udev and discovery follow from this file.
 */

/** One of pid.codes for trying things out: others may bear it as well, so a device is known by its key, not by this. */
export const vendorId = 0x1209;
export const productId = 0x0001;

export const manufacturer = "Countersign";
export const product = "Countersign signing device";

/** As in descriptors: binary-coded 1.0. */
export const deviceRelease = 0x0100;

export const interfaces = { hid: 0, serialControl: 1, serialData: 2, bulk: 3 } as const;

/** Numbers without the bit of the direction; in and out of one interface share theirs. */
export const endpoints = { hid: 1, serialNotice: 2, serialData: 3, bulk: 4 } as const;

/** At high speed (USB 2.0, sections 5.7.3 and 5.8.3). */
export const packetLengths = { hid: 64, serialNotice: 16, serialData: 512, bulk: 512 } as const;

/** A page for vendors. FIDO's is another, which browsers claim. */
export const hidUsage = { page: 0xffa0, usage: 0x01 } as const;

/** Reports of 64 bytes in and out, without ids (HID 1.11, section 6.2.2). */
export const hidReportDescriptor: readonly number[] = [
  ...[0x06, hidUsage.page & 0xff, hidUsage.page >> 8],
  ...[0x09, hidUsage.usage],
  ...[0xa1, 0x01],
  ...[0x09, 0x20, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, packetLengths.hid, 0x81, 0x02],
  ...[0x09, 0x21, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, packetLengths.hid, 0x91, 0x02],
  0xc0,
];
