package files

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	stdimage "image"
	"image/color"
	_ "image/jpeg"
	stdpng "image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/files"
)

// redAndBlue returns a PNG whose left half is red and whose right half is blue; with holes, its lower half is transparent.
func redAndBlue(width, height int, holes bool) []byte {
	img := stdimage.NewNRGBA(stdimage.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.NRGBA{R: 255, A: 255}
			if x >= width/2 {
				c = color.NRGBA{B: 255, A: 255}
			}
			if holes && y >= height/2 {
				c.A = 0
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var out bytes.Buffer
	if err := stdpng.Encode(&out, img); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// runJobs runs the jobs that are due, and returns those of variants, by their state.
func (w *world) runJobs() map[string]int {
	w.t.Helper()
	w.Jobs().Run(w.t)
	all, err := tower.Jobs.Where(tower.Is(&tower.Jobs.Fields.Job, "tower_variants")).Records(w.t.Context(), w.App)
	if err != nil {
		w.t.Fatal(err)
	}
	states := map[string]int{}
	for _, job := range all {
		states[job.State]++
	}
	return states
}

// variant downloads a variant, and returns its type and its size.
func (w *world) variant(user tower.ID, p *Photo, name string) (kind string, size stdimage.Point) {
	w.t.Helper()
	res, text := w.do(user, "GET", p.Image.Variant(name), "", nil)
	if res.StatusCode != http.StatusOK {
		return res.Status, size
	}
	img, kind, err := stdimage.DecodeConfig(strings.NewReader(text))
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return kind, stdimage.Pt(img.Width, img.Height)
}

func TestVariantsOfAnImage(t *testing.T) {
	w := open(t)
	opaque := w.create(w.ada, image("harbour.png", redAndBlue(300, 200, false)))
	holes := w.create(w.ada, image("icon.png", redAndBlue(300, 200, true)))
	if kind, size := w.variant(w.ada, opaque, "thumb"); kind != "png" || size != stdimage.Pt(300, 200) {
		t.Errorf("before it is made, the variant is a %s of %v; want the image itself", kind, size)
	}
	if states := w.runJobs(); states["done"] != 2 || len(states) != 1 {
		t.Errorf("the jobs are %v", states)
	}
	for name, want := range map[string]struct {
		photo *Photo
		kind  string
		size  stdimage.Point
	}{"thumb": {opaque, "jpeg", stdimage.Pt(60, 40)}, "square": {holes, "png", stdimage.Pt(50, 50)}, "wide": {opaque, "jpeg", stdimage.Pt(300, 200)}} {
		if kind, size := w.variant(w.ada, want.photo, name); kind != want.kind || size != want.size {
			t.Errorf("%s is a %s of %v; want a %s of %v", name, kind, size, want.kind, want.size)
		}
		if kind, _ := w.variant(w.bob, want.photo, name); kind != "404 Not Found" {
			t.Errorf("Bob gets %s: %s", name, kind)
		}
	}
	res, text := w.do(w.ada, "GET", opaque.Image.Variant("thumb"), "", nil)
	if got := res.Header.Get("Content-Disposition"); got != "inline; filename=harbour-thumb.jpg" || res.Header.Get("ETag") != `"`+sumOf([]byte(text))+`"` || res.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%v", res.Header)
	}
	img, _, err := stdimage.Decode(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	left, _, _, _ := img.At(10, 20).RGBA()
	_, _, right, _ := img.At(50, 20).RGBA()
	if left < 0xf000 || right < 0xf000 {
		t.Errorf("red is %x and blue %x", left, right)
	}
	if kind, _ := w.variant(w.ada, opaque, "huge"); kind != "404 Not Found" {
		t.Errorf("a variant that is not declared: %s", kind)
	}
	if opaque.Any.Variant("thumb") != "" {
		t.Error("no file has a variant")
	}
}

// An image that is in a record since before its variants were declared gets them once they are asked for.
func TestVariantsOfOlderImages(t *testing.T) {
	w := open(t)
	p := w.create(w.ada, image("a.png", redAndBlue(300, 200, false)))
	all, err := tower.Jobs.All().Records(t.Context(), w.App)
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range all {
		if err := tower.DropJob(t.Context(), w.App, job.ID); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, size := w.variant(w.ada, p, "thumb"); size.X != 300 {
			t.Errorf("before it is made, the variant has %v", size)
		}
	}
	if states := w.runJobs(); states["done"] != 1 {
		t.Errorf("the jobs are %v; want one for the three who asked", states)
	}
	if _, size := w.variant(w.ada, p, "thumb"); size.X != 60 {
		t.Errorf("the variant has %v", size)
	}
}

// bomb returns a small PNG of many pixels.
func bomb(side uint32) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), side), side)
	head = append(head, 8, 6, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\r"), head...)
	return append(binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head)), png[33:]...)
}

// What cannot be scaled is shown as it is. Its job is dead at once and says why, and nobody asks again.
func TestBrokenImages(t *testing.T) {
	w := open(t)
	whole := redAndBlue(300, 200, false)
	for name, c := range map[string]struct {
		content []byte
		problem string
	}{
		"cut.png":  {whole[:len(whole)-20], `the image "cut.png": cannot be decoded: `},
		"bomb.png": {bomb(60_000), `the image "bomb.png": has 60000 × 60000 pixels; at most 50 million are decoded`},
	} {
		p := w.create(w.ada, image(name, c.content))
		w.Jobs().Run(t)
		for range 2 {
			if _, got := w.do(w.ada, "GET", p.Image.Variant("thumb"), "", nil); got != string(c.content) {
				t.Errorf("%s: the variant is not the image itself", name)
			}
		}
		w.Jobs().Run(t)
		dead, err := tower.Jobs.Where(tower.Is(&tower.Jobs.Fields.Job, "tower_variants")).Desc(&tower.Jobs.Fields.ID).Limit(1).Records(t.Context(), w.App)
		if err != nil || len(dead) != 1 || dead[0].State != "dead" || dead[0].Attempt != 1 || !strings.Contains(dead[0].Error, c.problem) {
			t.Errorf("%s: %+v, %v; want %q", name, dead, err, c.problem)
		}
	}
	if states := w.runJobs(); states["dead"] != 2 || len(states) != 1 {
		t.Errorf("the jobs are %v", states)
	}
	if res, _ := w.do(w.ada, "GET", strings.Replace(w.create(w.ada, anything("a.txt", "", []byte("text"))).Any.URL, "/any/", "/big/", 1)+"/thumb", "", nil); res.StatusCode != 404 {
		t.Errorf("a text: %s", res.Status)
	}
}

// Variants go with the image that they are made of, and not before.
func TestVariantsAreSweptWithTheirImage(t *testing.T) {
	w := open(t)
	kept := w.create(w.ada, image("kept.png", redAndBlue(300, 200, false)))
	gone := w.create(w.ada, image("gone.png", redAndBlue(300, 200, true)))
	w.runJobs()
	if n := w.chunks(); n != 8 {
		t.Errorf("%d chunks of two images with three variants each", n)
	}
	w.deleteForGood(gone)
	if n := w.chunks(); n != 4 {
		t.Errorf("%d chunks are left of one image with three variants", n)
	}
	if _, size := w.variant(w.ada, kept, "thumb"); size.X != 60 {
		t.Errorf("the thumb is %v", size)
	}
}

// A program without package images does not start with variants.
func TestVariantsNeedTheirPackage(t *testing.T) {
	scale := files.Scale
	defer func() { files.Scale = scale }()
	files.Scale = nil
	if _, err := tower.New(config(page(""))); err == nil || !strings.Contains(err.Error(), `photos.image has variants, and nothing makes them: add import _ "github.com/towerkit/tower/images"`) {
		t.Error(err)
	}
}
