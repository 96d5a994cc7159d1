#!/bin/bash
# guest-tests.sh TEST2JSON BINARY=PACKAGE[:PATTERN]...: runs compiled test binaries,
# each in its package's folder as `go test` does, and prints events of `go test
# -json`, with -short; with a pattern only the tests that it fits. Meant for a guest, where everything takes long; from the
# repository's root.
convert=$PWD/$1
shift
root=$PWD
status=0
for pair in "$@"; do
	binary=${pair%%=*} package=${pair#*=} pattern=.
	case $package in *:*) pattern=${package#*:} package=${package%%:*} ;; esac
	cd "$root/$package" || exit 1
	"$convert" -t -p "$package" "$root/$binary" -test.short -test.run "$pattern" -test.v=test2json -test.timeout=8m || status=1
done
exit $status
