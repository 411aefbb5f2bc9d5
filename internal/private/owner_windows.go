package private

import "io/fs"

const checksMode = false // folders inherit the rights of the user's own

func owned(fs.FileInfo) bool { return true }
