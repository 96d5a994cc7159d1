package eventfd_test

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/eventfd"
)

// Foreign code has a descriptor and knows nothing of completions.
func Example() {
	cq, err := eventfd.New(eventfd.Config{WRID: 42})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cq.Close() }()

	_, _ = cq.Arm(false)
	_, _ = unix.Write(cq.FD(), []byte{1, 0, 0, 0, 0, 0, 0, 0}) // little endian
	event, _ := cq.Events().Wait()
	wcs := make([]hwcq.WC, 1)
	fmt.Println(event, cq.Poll(wcs), wcs[0].WRID, wcs[0].ByteLen)
	// Output: true 1 42 1
}
