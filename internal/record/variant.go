package record

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A Variant is a smaller image that is made of each image in a field.
type Variant struct {
	Name   string `json:"name"`
	Width  int    `json:"width"`  // at most
	Height int    `json:"height"` // at most
	Fill   bool   `json:"fill"`   // the image is cut to the proportion of Width and Height
}

const (
	maxVariantSide = 2048
	maxVariants    = 8
)

// Key says what is made: variants with the same key are the same image.
func (v *Variant) Key() string {
	key := fmt.Sprintf("%dx%d", v.Width, v.Height)
	if v.Fill {
		key += ":fill"
	}
	return key
}

// Variant returns the variant of a name, nil if there is none.
func (r *FileRules) Variant(name string) *Variant {
	for i := range r.Variants {
		if r.Variants[i].Name == name {
			return &r.Variants[i]
		}
	}
	return nil
}

var variantForm = regexp.MustCompile(`^([a-z][a-z0-9_]*):([0-9]{1,5})x([0-9]{1,5})(:fill)?$`)

// parseVariants reads what a tower tag states: "thumb:200x200:fill wide:1600x1200".
func parseVariants(text string) (all []Variant, err error) {
	seen := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		parts := variantForm.FindStringSubmatch(word)
		if parts == nil {
			return nil, fmt.Errorf("variants=%s: %q is not a variant, as thumb:200x200 or square:400x400:fill", text, word)
		}
		v := Variant{Name: parts[1], Fill: parts[4] != ""}
		v.Width, _ = strconv.Atoi(parts[2]) // it has only digits
		v.Height, _ = strconv.Atoi(parts[3])
		switch {
		case min(v.Width, v.Height) < 1 || max(v.Width, v.Height) > maxVariantSide:
			return nil, fmt.Errorf("variants=%s: the sides of %s must have from 1 to %d pixels", text, v.Name, maxVariantSide)
		case seen[v.Name]:
			return nil, fmt.Errorf("variants=%s: %s is there twice", text, v.Name)
		}
		seen[v.Name] = true
		all = append(all, v)
	}
	if len(all) < 1 || len(all) > maxVariants {
		return nil, fmt.Errorf("variants=%s has %d variants, not 1 to %d", text, len(all), maxVariants)
	}
	return all, nil
}
