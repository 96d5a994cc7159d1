package main

// engineResizeMutants are those of Resize.
var engineResizeMutants = []mutant{
	{"Z8", "Z8", "it becomes smaller beside another consumer", "ResizePosts|ResizeDirect|ResizeDequeue", "mz11"},
	{"Z8b", "Z8", "it becomes smaller beside a waiter", "ResizeWait", "mz12"},
	{"Z8c", "Z8", "TAKE stays", "ResizePosts|ResizeClose", ""},
	{"Z8d", "Z8", "it becomes smaller while Close drains", "ResizeClose", ""},
	{"Z8e", "Z8", "what a waiter has put aside does not count", "^TestResizeTooSmall$", ""},
	{"Z8f", "Z8", "what has been taken counts", "^TestResizeTooSmall$", ""},
	{"Z8g", "Z8", "what went away while it had the EVD is forgotten", "CNOResize|ShareShrink", ""},
	{"Z9", "Z9", "a pump that went away from the full ring is not started", "ResizePump", "mz13"},
	{"Z9b", "Z9", "STALL is looked at before there is room", "ResizePump", "mz14"},
	{"Z0", "Z0", "the threshold is not looked at again", "ResizeWait", "mz15"},
	{"Z0b", "Z0", "a waiter whose threshold does not fit keeps the EVD", "ResizeWait", ""},
}
