package images

import (
	"image"
	"io"

	"github.com/bep/imagemeta"

	"github.com/towerkit/tower/internal/record"
)

// A turning is how an image must be turned to stand upright, by the numbers of EXIF: 1 is as it is.
type turning int

var withOrientation = map[string]imagemeta.ImageFormat{"jpeg": imagemeta.JPEG, "png": imagemeta.PNG, "webp": imagemeta.WebP}

// orientation returns how an image stands. What cannot be understood says nothing about it. The
// error is one of reading.
func orientation(content io.ReadSeeker, format string) (turning, error) {
	turn := turning(1)
	kind, known := withOrientation[format]
	if _, err := content.Seek(0, io.SeekStart); err != nil || !known {
		return turn, err
	}
	_, _ = imagemeta.Decode(imagemeta.Options{R: content, ImageFormat: kind, Sources: imagemeta.EXIF, // without it, an image is shown as it is
		ShouldHandleTag: func(tag imagemeta.TagInfo) bool { return tag.Namespace == "IFD0" && tag.Tag == "Orientation" },
		HandleTag: func(tag imagemeta.TagInfo) error {
			if value, ok := tag.Value.(uint16); ok && value >= 1 && value <= 8 {
				turn = turning(value)
			}
			return imagemeta.ErrStopWalking
		}})
	return turn, nil
}

// sideways reports whether width and height are exchanged.
func (t turning) sideways() bool { return t >= 5 }

// box returns a variant as it is before the image is turned.
func (t turning) box(v record.Variant) record.Variant {
	if t.sideways() {
		v.Width, v.Height = v.Height, v.Width
	}
	return v
}

// apply turns an image.
func (t turning) apply(from *image.RGBA) *image.RGBA {
	if t == 1 {
		return from
	}
	size := from.Bounds().Size()
	right, bottom := size.X-1, size.Y-1
	if t.sideways() {
		size.X, size.Y = size.Y, size.X
	}
	to := image.NewRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			var px, py int
			switch t {
			case 2:
				px, py = right-x, y
			case 3:
				px, py = right-x, bottom-y
			case 4:
				px, py = x, bottom-y
			case 5:
				px, py = y, x
			case 6:
				px, py = y, bottom-x
			case 7:
				px, py = right-y, bottom-x
			case 8:
				px, py = right-y, x
			}
			to.SetRGBA(x, y, from.RGBAAt(px, py))
		}
	}
	return to
}
