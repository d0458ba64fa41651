#!/bin/busybox sh
# The guest's first process. Its root is to be the host's, read-only, under a layer of memory that takes what is written.
# Lines for the host leave through the kernel's log, where each stays whole.
/bin/busybox mkdir -p /proc /sys /dev /host /layer /new
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
die() { echo "<0>countersign guest: cannot $*" >/dev/kmsg; poweroff -f; sleep 60; }
mount -t proc proc /proc && mount -t sysfs sysfs /sys || die "see the kernel's files"

for module in /modules/*.ko; do insmod "$module" || die "load $module"; done

mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144,cache=loose root /host || die "mount the host's root"
mount -t tmpfs layer /layer && mkdir /layer/upper /layer/work || die "make a layer of memory"
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /new || die "lay it over the root"
mount -t tmpfs run /new/run && cp /start /command /bin/busybox /new/run/ && cp -a /udev/. /new/ || die "fill the root"
for each in proc sys dev; do
  mkdir -p "/new/$each" && mount -o move "/$each" "/new/$each" || die "move /$each"
done
exec switch_root /new /run/busybox sh /run/start
