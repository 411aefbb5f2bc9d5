package files

import (
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/systemtest/pgtest"
	"github.com/towerkit/tower/internal/systemtest/s3test"
	_ "github.com/towerkit/tower/postgres"
	"github.com/towerkit/tower/s3"
)

// Wherever in an upload its node dies, the upload goes on at another node, each node serves what was
// uploaded, and after a sweep the bucket has no chunk that is of no file. TOWER_TEST_KILLS sets how often.
func TestKilledUploadsOnNodes(t *testing.T) {
	kills, random := killsOf(t, 4)
	address := pgtest.Shared(t).Database(t)
	bucket := "s3://backups/photos?endpoint=" + s3test.Start(t)
	place, err := s3.Open(bucket)
	if err != nil {
		t.Fatal(err)
	}
	stored := func() (int, error) {
		names, err := place.List(t.Context())
		return len(names), err
	}
	t.Setenv("TOWER_FILES", bucket)
	t.Setenv("TOWER_FOLDER", t.TempDir()) // of the node that checks
	t.Setenv("TOWER_SECRET", "a-secret-that-all-the-nodes-have-in-common")
	folders := [3]string{t.TempDir(), t.TempDir(), t.TempDir()}
	var nodes [3]*child
	for i := range nodes {
		nodes[i] = start(t, address, "TOWER_FOLDER="+folders[i])
	}
	kept := map[tower.ID]string{}
	checks := 0
	for round := range kills {
		dying, next := round%3, (round+1+random.IntN(2))%3
		source := &long{seed: uint64(round), size: 5<<20 + random.Int64N(6<<20)}
		nodes[dying].begin(9 << 20) // and no more
		token := nodes[next].begin(source.size)
		dead := make(chan struct{})
		time.AfterFunc(time.Duration(random.Int64N(int64(100*time.Millisecond))), func() {
			defer close(dead)
			nodes[dying].kill()
		})
		nodes[dying].uploadSome(token, source)
		<-dead
		p := nodes[next].finish(token, source, false)
		kept[p.ID] = source.sum()
		if other := nodes[3-dying-next]; other.download(p.Big.URL, p.Big.Size) != kept[p.ID] {
			t.Errorf("another node serves another content of %s", p.ID)
		}
		nodes[dying] = start(t, address, "TOWER_FOLDER="+folders[dying])
		if round%40 == 39 || round == kills-1 { // a client may have a hundred files that are in no record
			checks++
			checkKept(t, address, kept, time.Duration(checks)*(files.Grace+time.Hour), stored)
		}
	}
}
