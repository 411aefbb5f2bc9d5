package bench

import "testing"

func TestMergedCommitsAreCounted(t *testing.T) {
	for message, want := range map[string]int64{
		`{"seq":814,"posts":[{"id":"a"}],"cursors":{}}`:                       1,
		`[{"seq":814},{"from":815,"seq":829,"cursors":{}},{"seq":830}]`:       17,
		`{"hello":1,"epoch":"01J8","seq":812}`:                                0,
		`{"id":4,"status":200,"at":"01J8:812","since":"01J8:800","delta":{}}`: 0,
	} {
		if got := commitsIn([]byte(message)); got != want {
			t.Errorf("%s has %d commits, want %d", message, got, want)
		}
	}
}
