// Package images makes smaller images of large ones. How many pixels an image has is known before
// they are decoded, and one with too many is refused.
package images

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // what can be decoded
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // what can be decoded

	"github.com/towerkit/tower/internal/record"
)

const (
	maxPixels = 50_000_000
	quality   = 85 // of JPEG
	buffered  = 64 << 10
)

// Scale makes variants of an image: as JPEG, or as PNG if parts are transparent. None is larger than the
// image itself. They have its orientation, and nothing else of what the file says about it.
func Scale(content io.ReadSeeker, variants []record.Variant) ([][]byte, error) {
	config, format, err := image.DecodeConfig(bufio.NewReaderSize(content, buffered))
	switch {
	case errors.Is(err, image.ErrFormat):
		return nil, errors.New("is not an image that can be decoded: JPEG, PNG, GIF or WebP")
	case err != nil:
		return nil, fmt.Errorf("cannot be decoded: %w", err)
	case int64(config.Width)*int64(config.Height) > maxPixels:
		return nil, fmt.Errorf("has %d × %d pixels; at most %d million are decoded", config.Width, config.Height, maxPixels/1_000_000)
	}
	turn, err := orientation(content, format)
	if err != nil {
		return nil, err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	decoded, _, err := image.Decode(bufio.NewReaderSize(content, buffered))
	if err != nil {
		return nil, fmt.Errorf("cannot be decoded: %w", err)
	}
	if decoded.Bounds().Empty() {
		return nil, errors.New("has no pixels")
	}
	largest := 0
	for _, v := range variants {
		largest = max(largest, v.Width, v.Height)
	}
	decoded, _ = shrink(decoded, decoded.Bounds(), largest, largest)
	var all [][]byte
	for _, v := range variants {
		encoded, err := encode(turn.apply(scale(decoded, turn.box(v))))
		if err != nil {
			return nil, fmt.Errorf("make the variant %s: %w", v.Name, err)
		}
		all = append(all, encoded)
	}
	return all, nil
}

// scale returns an image as a variant has it.
func scale(from image.Image, v record.Variant) *image.RGBA {
	area := from.Bounds()
	if v.Fill {
		area = middle(area, v)
	}
	factor := min(1, float64(v.Width)/float64(area.Dx()), float64(v.Height)/float64(area.Dy()))
	width := max(1, int(math.Round(float64(area.Dx())*factor)))
	height := max(1, int(math.Round(float64(area.Dy())*factor)))
	from, area = shrink(from, area, width, height)
	to := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.CatmullRom.Scale(to, to.Bounds(), from, area, draw.Src, nil)
	return to
}

// middle returns the largest area in the middle that has the proportion of a variant.
func middle(area image.Rectangle, v record.Variant) image.Rectangle {
	width := min(area.Dx(), max(1, area.Dy()*v.Width/v.Height))
	height := min(area.Dy(), max(1, area.Dx()*v.Height/v.Width))
	corner := area.Min.Add(image.Pt((area.Dx()-width)/2, (area.Dy()-height)/2))
	return image.Rectangle{corner, corner.Add(image.Pt(width, height))}
}

// shrink halves an area of an image as long as both sides stay as large as asked for: each pixel is the mean of
// four. The scaler that follows needs memory for each row of its source. It returns what is left, and where
// that is.
func shrink(from image.Image, area image.Rectangle, width, height int) (image.Image, image.Rectangle) {
	for area.Dx() >= 2*width && area.Dy() >= 2*height {
		to := image.NewRGBA(image.Rect(0, 0, area.Dx()/2, area.Dy()/2))
		even := image.Rectangle{area.Min, area.Min.Add(to.Bounds().Size().Mul(2))}
		draw.ApproxBiLinear.Scale(to, to.Bounds(), from, even, draw.Src, nil)
		from, area = to, to.Bounds()
	}
	return from, area
}

func encode(img *image.RGBA) ([]byte, error) {
	var out bytes.Buffer
	var err error
	if img.Opaque() {
		err = jpeg.Encode(&out, img, &jpeg.Options{Quality: quality})
	} else {
		err = png.Encode(&out, img)
	}
	return out.Bytes(), err
}
