// Package jobs holds the work that happens later: labels and reports.
package jobs

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"

	"github.com/towerkit/tower"

	"orders/models"
)

// Pack prints the label of an order. There is one printer.
var Pack = tower.NewJob[PackArgs]("pack", tower.Queue("printer"))

// PackArgs are the arguments of Pack.
type PackArgs struct{ OrderID tower.ID }

// DoPack makes the label of an order. The label, the state of the order and the end of the job are one
// commit, so an order is packed once, however often the process has ended halfway.
func DoPack(ctx context.Context, app *tower.App, in PackArgs) error {
	order, err := models.Orders.Find(ctx, app, in.OrderID)
	if err != nil {
		return tower.Permanent(err) // nobody can pack what is gone
	}
	order.Parcel = "TW" + string(order.ID[len(order.ID)-10:])
	label, err := printLabel(order)
	if err != nil {
		return err
	}
	return app.Transaction(ctx, func(tx *tower.Tx) error {
		if _, err := models.Orders.Update(ctx, tx, in.OrderID, func(o *models.Order) error {
			o.State, o.Parcel, o.Label = models.Packed, order.Parcel, label
			return nil
		}); err != nil {
			return err
		}
		return tower.RunOf(ctx).Complete(tx, map[string]string{"parcel": order.Parcel})
	})
}

//go:embed label.svg
var labelText string

var label = template.Must(template.New("label").Funcs(template.FuncMap{"bars": bars, "lines": lines}).Parse(labelText))

func printLabel(order *models.Order) ([]byte, error) {
	var out bytes.Buffer
	err := label.Execute(&out, order)
	return out.Bytes(), err
}
