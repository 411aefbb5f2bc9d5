package images

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/towerkit/tower/internal/record"
)

// quarters are the colours of the corners of an upright image: top left, top right, bottom left, bottom right.
var quarters = [4]color.RGBA{{200, 0, 0, 255}, {0, 200, 0, 255}, {0, 0, 200, 255}, {200, 200, 0, 255}}

// photo returns a JPEG that is upright once it is turned as its EXIF says.
func photo(t *testing.T, width, height int, orientation byte) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			right, bottom := x >= width/2, y >= height/2
			switch orientation { // where the pixel is once the image stands upright
			case 2:
				right = !right
			case 3:
				right, bottom = !right, !bottom
			case 4:
				bottom = !bottom
			case 5:
				right, bottom = bottom, right
			case 6:
				right, bottom = !bottom, right
			case 7:
				right, bottom = !bottom, !right
			case 8:
				right, bottom = bottom, !right
			}
			n := 0
			if right {
				n++
			}
			if bottom {
				n += 2
			}
			img.SetRGBA(x, y, quarters[n])
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	exif := append([]byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00"), orientation, 0, 0, 0, 0, 0, 0, 0)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(exif)+2))
	return append(append(head, exif...), out.Bytes()[2:]...)
}

// What a camera has noted about how it was held is applied, and does not stay in the variant.
func TestVariantsStandUpright(t *testing.T) {
	for orientation := byte(1); orientation <= 8; orientation++ {
		width, height := 400, 240
		if orientation >= 5 {
			width, height = height, width
		}
		content := photo(t, width, height, orientation)
		made, err := Scale(bytes.NewReader(content), []record.Variant{{Name: "fit", Width: 100, Height: 100}, {Name: "fill", Width: 20, Height: 60, Fill: true}})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []image.Point{image.Pt(100, 60), image.Pt(20, 60)} {
			img, _, err := image.Decode(bytes.NewReader(made[i]))
			if err != nil {
				t.Fatal(err)
			}
			if img.Bounds().Size() != want || bytes.Contains(made[i], []byte("Exif")) {
				t.Errorf("orientation %d: variant %d is %v; want %v", orientation, i, img.Bounds().Size(), want)
			}
			for n, quarter := range quarters {
				at := image.Pt(want.X/4+n%2*want.X/2, want.Y/4+n/2*want.Y/2)
				if got := color.RGBAModel.Convert(img.At(at.X, at.Y)).(color.RGBA); !near(got, quarter) {
					t.Errorf("orientation %d, variant %d: quarter %d is %v; want %v", orientation, i, n, got, quarter)
				}
			}
		}
	}
}

func near(a, b color.RGBA) bool {
	const most = 12
	return max(a.R, b.R)-min(a.R, b.R) < most && max(a.G, b.G)-min(a.G, b.G) < most && max(a.B, b.B)-min(a.B, b.B) < most
}

// A pattern finer than the variant becomes its mean: nothing is left out.
func TestFinePatternsBecomeTheirMean(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 1001, 777))
	for y := range 777 {
		for x := range 1001 {
			if (x+y)%2 == 0 {
				img.SetGray(x, y, color.Gray{255})
			}
		}
	}
	var content bytes.Buffer
	if err := png.Encode(&content, img); err != nil {
		t.Fatal(err)
	}
	made, err := Scale(bytes.NewReader(content.Bytes()), []record.Variant{{Name: "thumb", Width: 100, Height: 100}})
	if err != nil {
		t.Fatal(err)
	}
	small, _, err := image.Decode(bytes.NewReader(made[0]))
	if err != nil {
		t.Fatal(err)
	}
	for y := range small.Bounds().Dy() {
		for x := range small.Bounds().Dx() {
			if grey := color.GrayModel.Convert(small.At(x, y)).(color.Gray).Y; grey < 120 || grey > 136 {
				t.Fatalf("the pixel %d, %d is %d", x, y, grey)
			}
		}
	}
}

// Whatever bytes a client sends, scaling returns.
func FuzzScale(f *testing.F) {
	f.Add([]byte("GIF89a"))
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBPVP8X"))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		made, err := Scale(bytes.NewReader(content), []record.Variant{{Name: "x", Width: 8, Height: 8}})
		if err == nil && len(made) != 1 || err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error(made, err)
		}
	})
}
