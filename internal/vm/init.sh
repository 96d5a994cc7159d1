#!/bin/busybox sh
# First process of the guest: loads the modules, mounts the host's files,
# brings up the soft-RoCE device, runs the job, reports, powers off.
#
# Ports: 1 control (lines to the runner), 2 job's stdout, 3 job's stderr,
# 4 kernel log. Settings and the job are in /job, part of this initramfs.
/bin/busybox mkdir -p /proc /sys /dev /host /orig /run
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
PATH=/bin
export PATH

. /job/settings # MODULES RXE NET

say() { echo "$*" >&3; }
finish() {
	[ -n "$PORT" ] && dmesg >"${PORT}4"
	poweroff -f
	sleep 60
}
die() {
	echo "evd guest: $*" >/dev/console
	[ -n "$PORT" ] && say "fail $*"
	finish
}
load() { insmod "/modules/$1.ko" || die "cannot load module $1"; }

exec 3>/dev/console
PORT=
for m in $(cat /modules/order); do load "$m"; done
n=0
until PORT=$(ls /dev/vport*p4 2>/dev/null); do # the last one to appear
	n=$((n + 1))
	[ $n -gt 500 ] && die "no virtio-serial ports"
	usleep 10000
done
PORT=${PORT%4}
exec 3>"${PORT}1"
say "hello $(uname -r)"
for m in $MODULES; do
	for d in $(cat "/modules/$m.order"); do
		[ -d "/sys/module/$d" ] || load "$d"
	done
done

p9=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,cache=loose,$p9" root /host || die "cannot mount the host's files"
mount -o bind /host /orig
mount -t proc proc /host/proc && mount -t sysfs sys /host/sys && mount -t devtmpfs dev /host/dev ||
	die "cannot mount proc, sys and dev"
mkdir -p /host/dev/shm /host/dev/pts
ln -s /proc/self/fd /host/dev/fd
for f in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${f%:*}" "/host/dev/${f#*:}"; done
mount -t tmpfs -o mode=1777 shm /host/dev/shm
mount -t devpts -o ptmxmode=666 devpts /host/dev/pts 2>/dev/null
mount -t tmpfs -o mode=1777 tmp /host/tmp && mount -t tmpfs run /host/run || die "cannot mount /tmp and /run"
mkdir -p /host/run/evd/share /host/run/lock
mount -t 9p -o "rw,cache=mmap,$p9" share /host/run/evd/share || die "cannot mount the share"
# Folders of the host that the mounts above hide, and that the job needs.
while read -r dir; do
	mkdir -p "/host$dir" && mount -o bind "/orig$dir" "/host$dir" || die "cannot show $dir"
done </job/binds
umount /orig

hostname evd
ip link set lo up
ip addr add 127.0.0.1/8 dev lo 2>/dev/null
if [ "$RXE" = 1 ]; then
	[ -e /sys/class/net/dummy0 ] || ip link add dummy0 type dummy
	ip link set dummy0 mtu 4200 && ip link set dummy0 up &&
		ip addr add 10.99.0.1/24 dev dummy0 || die "cannot bring up dummy0"
	rdma=$(chroot /host /bin/sh -c 'PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v rdma') ||
		die "the host has no rdma program (package iproute2)"
	err=$(chroot /host "$rdma" link add rxe0 type rxe netdev dummy0 2>&1) || die "cannot add rxe0: $err"
	[ -e /sys/class/infiniband/rxe0 ] || die "rxe0 did not appear"
fi
if [ -n "$NET" ]; then
	cp /net.sh /host/run/evd/net.sh
	err=$(chroot /host /bin/sh /run/evd/net.sh $NET 2>&1) || die "cannot make the network: $err"
fi

cp /job/run.sh /host/run/evd/run.sh
# Through pipes, not to the ports themselves: a port can be open only once,
# and programs reopen /dev/stdout and /dev/stderr.
mkfifo /out /err
cat /out >"${PORT}2" &
catout=$!
cat /err >"${PORT}3" &
caterr=$!
# The kernel counts seconds since boot: the job's share of the time.
read -r up rest </proc/uptime
say "ready $up"
chroot /host /bin/sh /run/evd/run.sh </dev/null >/out 2>/err 3>&-
code=$?
# What the job left running ends with it and cannot keep the pipes open. A
# process without an exe link is a kernel thread.
for round in 1 2; do
	for p in /proc/[0-9]*; do
		pid=${p#/proc/}
		case $pid in 1 | $catout | $caterr) continue ;; esac
		[ -e "$p/exe" ] && kill -9 "$pid"
	done 2>/dev/null
done
wait $catout $caterr
read -r up rest </proc/uptime
say "exit $code $up"
finish
