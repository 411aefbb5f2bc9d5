package private_test

func openUmask() (restore func()) { return func() {} }
