#!/bin/sh
# need.sh PROGRAM PACKAGE...: makes sure that PROGRAM, or the file of that absolute
# path, is there, installing the Debian packages if it is not. Says what to do where
# it cannot.
program=$1
shift
have() {
	case $program in
	/*) [ -e "$program" ] ;;
	*) command -v "$program" >/dev/null 2>&1 ;;
	esac
}
have && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "need.sh: $program is missing, and this is no Debian system: install it (Debian calls it: $*)" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "need.sh: $program is missing; as root: apt-get install $*" >&2
	exit 1
fi
echo "need.sh: installing $*" >&2
install() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 install "$@" >/dev/null
}
# The second try is for package lists that are absent or old.
install "$@" 2>/dev/null || { apt-get -q update >/dev/null && install "$@"; } || {
	echo "need.sh: could not install $*; no network?" >&2
	exit 1
}
have
