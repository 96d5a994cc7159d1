// Package turns lets processes of evdbench take turns: a parent starts some of each
// version or setting that is to be compared, and lets one at a time measure for a few
// hundredths of a second. What is compared is then close in time, and neither the start
// of a process nor the calibration of its clock is between.
//
// [Serve] is the child: it measures when a line on its standard input tells it to.
// [Session] is the parent. The package neither prints nor exits.
package turns
