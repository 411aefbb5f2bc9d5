package scaffolds

import (
	"fmt"
	"strings"
)

// pagesController describes a controller of plain pages, for the templates in
// pages/.
type pagesController struct {
	Module     string
	Controller string // Pages
	Path       string // pages, in addresses and in views/
	routing           // pages, on r
	Pages      []page
}

type page struct {
	Go    string // AboutUs
	Path  string // /pages/about_us
	View  string // views/pages/aboutus.html
	Title string // About us
}

// reservedActions are methods that tower calls, or that every session has.
var reservedActions = wordSet("match allow user_id sign_in sign_out set_label label follow view transaction connection session")

// newPagesController reads the arguments NAME PAGE…. Without pages there is an index.
func newPagesController(p *project, args []string) (*pagesController, error) {
	n, err := controllerName(args)
	if err != nil {
		return nil, err
	}
	c := &pagesController{Module: p.module, Controller: n.goName(), Path: n.snake(), routing: routing{Route: n.local("Routes", "tower controllers")}}
	names := args[1:]
	if len(names) == 0 {
		names = []string{"index"}
	}
	for _, text := range names {
		if strings.Contains(text, ":") {
			return nil, fmt.Errorf("page %q: a controller has pages, not fields; to generate fields: tower generate scaffold %s %s", text, n.singular().goName(), text)
		}
		action, err := parseName("page", text)
		if err != nil {
			return nil, err
		}
		if reservedActions[action.snake()] {
			return nil, fmt.Errorf("page %q: a controller cannot have a page %s, because tower uses that method; choose another name", text, action.goName())
		}
		made := page{
			Go:    action.goName(),
			Path:  "/" + c.Path + "/" + action.snake(),
			View:  fmt.Sprintf("views/%s/%s.html", c.Path, strings.ToLower(action.goName())),
			Title: action.title(),
		}
		if made.Go == "Index" {
			made.Path, made.Title = "/"+c.Path, n.title()
		}
		if made.Path == "/"+c.Path+"/"+c.Path {
			return nil, fmt.Errorf("page %q has the name of its controller; call it index, or choose another name", text)
		}
		for _, other := range c.Pages {
			if other.View == made.View {
				return nil, fmt.Errorf("page %q is given twice", text)
			}
		}
		c.Pages = append(c.Pages, made)
	}
	return c, nil
}

func controllerName(args []string) (name, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("the name is missing; for example: tower generate controller Pages about contact")
	}
	n, err := parseName("controller", args[0])
	if err != nil {
		return nil, err
	}
	return n, n.checkWord("controller", args[0])
}
