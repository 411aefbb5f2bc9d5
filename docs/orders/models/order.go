package models

import (
	"time"

	"github.com/towerkit/tower"
)

// The states of an order, one after another.
const (
	New     = "new"
	Paid    = "paid"
	Packed  = "packed"
	Shipped = "shipped"
)

// An Order is what somebody has bought.
type Order struct {
	tower.Record
	Item    string  `json:"item" validate:"required,max=80"`
	Price   float64 `json:"price" validate:"gt=0,lte=10000"`
	Name    string  `json:"name" validate:"required,max=80"`
	Email   string  `json:"email" validate:"required,email"`
	Address string  `json:"address" validate:"required,max=200"`
	State   string  `json:"state" validate:"oneof=new paid packed shipped" tower:"index"`
	Parcel  string  `json:"parcel"`                // its number, once it is packed
	Label   []byte  `json:"label" tower:"private"` // an SVG, which no list needs
}

var Orders = tower.NewModel[Order]("orders")

// In returns the orders in a state, the oldest first.
func In(state string) tower.Scope[Order] {
	order := Orders.Fields
	return Orders.Where(tower.Is(&order.State, state)).Asc(&order.CreatedAt)
}

// ShippedBetween returns the orders that were shipped from one time until before another. That was
// their last change.
func ShippedBetween(from, to time.Time) tower.Scope[Order] {
	order := Orders.Fields
	return In(Shipped).Where(tower.Gte(&order.UpdatedAt, from), tower.Lt(&order.UpdatedAt, to))
}
