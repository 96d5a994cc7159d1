#!/bin/sh
# net.sh veth | net.sh wire NODE: brings up the network between two nodes and
# the soft-RoCE devices on it. Runs in the guest, on the host's files.
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
command -v ip rdma >/dev/null || {
	echo "the host has no ip and rdma programs (package iproute2)" >&2
	exit 1
}

case $1 in
veth)
	# Two devices of one kernel: without help it would deliver what one sends
	# to the other over lo, and rxe refuses such a path. So the table of local
	# addresses comes last, and before it packets of this machine's own to
	# either address leave by the other device. What comes in must not be
	# dropped because it comes from an address of this machine.
	ip link add veth0 type veth peer name veth1
	for dev in all default veth0 veth1; do
		echo 0 >/proc/sys/net/ipv4/conf/$dev/rp_filter
		echo 1 >/proc/sys/net/ipv4/conf/$dev/accept_local
		echo 1 >/proc/sys/net/ipv4/conf/$dev/arp_ignore
		echo 2 >/proc/sys/net/ipv4/conf/$dev/arp_announce
	done
	for n in 0 1; do
		ip link set veth$n mtu 4200 up
		ip addr add 10.98.0.$((n + 1))/24 dev veth$n
	done
	ip rule add pref 100 lookup local
	ip rule del pref 0
	for n in 0 1; do
		me=10.98.0.$((n + 1)) other=10.98.0.$((2 - n))
		ip rule add pref 1$n iif lo to $other lookup 1$n
		ip route add $other dev veth$n src $me table 1$n
	done
	rdma link add rxe1 type rxe netdev veth0
	rdma link add rxe2 type rxe netdev veth1
	;;
wire)
	ip link set eth0 up
	ip addr add 10.96.0.$2/24 dev eth0
	rdma link add rxe0 type rxe netdev eth0
	;;
esac
