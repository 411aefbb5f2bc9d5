package bench

// maxFiles returns a number that no benchmark reaches: Windows has no such limit.
func maxFiles() uint64 { return 1 << 20 }
