package control

import (
	"context"
	"strings"
)

// check returns what is wrong with the store's file, and what does not fit the models. The
// damage that it finds does not end the application; the damage that it runs into does.
func (c *console) check(ctx context.Context) ([]string, error) {
	found := []string{}
	if err := c.app.Store().Check(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		found = append(found, strings.Split(err.Error(), "\n")...)
	}
	for _, survey := range c.app.Store().Surveys() {
		found = append(found, "when the application started, "+survey.String())
	}
	return found, nil
}
