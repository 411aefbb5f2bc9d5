// Package images makes the variants of images that files have:
//
//	import _ "github.com/towerkit/tower/images"
//
// A field of a model declares them in its tag, as variants=thumb:200x200. See File of package
// tower, and the guide on files.
package images

import (
	"github.com/towerkit/tower/internal/files"
	"github.com/towerkit/tower/internal/images"
)

func init() { files.Scale = images.Scale }
