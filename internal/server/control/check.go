package control

import (
	"context"
	"strings"

	"github.com/towerkit/tower/internal/wire"
)

// check looks for what is wrong with the store's file, and what does not fit the models, and
// compares the file with the database that nodes share. The damage that it finds does not end
// the application; the damage that it runs into does.
func (c *console) check(ctx context.Context) (*wire.Checked, error) {
	checked := &wire.Checked{Found: []string{}}
	if err := c.app.Store().Check(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		checked.Found = append(checked.Found, strings.Split(err.Error(), "\n")...)
	}
	for _, survey := range c.app.Store().Surveys() {
		checked.Found = append(checked.Found, "when the application started, "+survey.String())
	}
	compared, err := c.app.Compare(ctx)
	if err != nil {
		return nil, err
	}
	if compared != nil {
		checked.Found = append(checked.Found, compared.Differences...)
		checked.Compared = &compared.Comparison
	}
	return checked, nil
}
