// Package reactions holds what follows from what happens to an order, whoever has caused it.
package reactions

import (
	"context"

	"github.com/towerkit/tower"

	"orders/jobs"
	"orders/mails"
	"orders/models"
)

// All lists the reactions of the application.
func All() []tower.Reaction {
	return []tower.Reaction{
		tower.On("pack", models.In(models.Paid), tower.Enter, pack),
		tower.On("thank", models.In(models.Shipped), tower.Enter, thank),
	}
}

// pack lets an order that has been paid be packed.
func pack(ctx context.Context, tx *tower.Tx, order *models.Order) error {
	_, err := jobs.Pack.Enqueue(ctx, tx, jobs.PackArgs{OrderID: order.ID}, tower.For(order.ID), tower.Unique(string(order.ID)))
	return err
}

// thank tells the buyer that the parcel is on its way.
func thank(ctx context.Context, tx *tower.Tx, order *models.Order) error {
	_, err := mails.Shipped(order).Send(ctx, tx, tower.For(order.ID))
	return err
}
