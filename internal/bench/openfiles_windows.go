package bench

// maxFiles is how many files a process may have open.
func maxFiles() uint64 { return 1 << 20 }
