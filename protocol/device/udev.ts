/** The rules of udev by which a person at a Linux machine may use a device without being root. */

import { productId, vendorId } from "./ids.ts";

export const udevRulesName = "70-countersign.rules";

const hex = (id: number): string => id.toString(16).padStart(4, "0");

/**
 * `uaccess` is for who sits at the machine, the group for services. Its number is below 73, where systemd gives out what
 * the tag asks for. ModemManager would talk to a serial port that it does not know.
 */
export const printUdevRules = (): string => {
  const grant = 'MODE="0660", GROUP="plugdev", TAG+="uaccess"';
  const ids = (attribute: "ATTR" | "ATTRS"): string =>
    `${attribute}{idVendor}=="${hex(vendorId)}", ${attribute}{idProduct}=="${hex(productId)}"`;
  return `# Countersign devices, for the person at this machine and for the group plugdev.
# Printed by: countersign doctor --udev
ACTION=="remove", GOTO="countersign_end"
SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ${ids("ATTR")}, ${grant}, ENV{ID_MM_DEVICE_IGNORE}="1"
SUBSYSTEM=="hidraw", KERNEL=="hidraw*", ${ids("ATTRS")}, ${grant}
SUBSYSTEM=="tty", KERNEL=="ttyACM*", ${ids("ATTRS")}, ${grant}, ENV{ID_MM_DEVICE_IGNORE}="1"
LABEL="countersign_end"
`;
};
