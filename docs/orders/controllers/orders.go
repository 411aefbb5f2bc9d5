package controllers

import (
	"bytes"
	"context"
	"fmt"

	"github.com/towerkit/tower"

	"orders/models"
)

// Orders is what clients may see of orders and do with them.
type Orders struct{ *Session }

// NewOrders makes the controller of one connection.
func NewOrders(s *Session) *Orders { return &Orders{s} }

// Board is the data of the front page.
type Board struct {
	Order  *models.Order // what the form begins with
	States []string
}

// Index answers GET /.
func (c *Orders) Index(ctx context.Context, in tower.None) (Board, error) {
	return Board{&models.Order{}, []string{models.New, models.Paid, models.Packed, models.Shipped}}, nil
}

// InState is the input of In.
type InState struct {
	State string `json:"state" validate:"oneof=new paid packed shipped"`
}

// In is the live list of the orders in a state.
func (c *Orders) In(ctx context.Context, in InState) (tower.Scope[models.Order], error) {
	return models.In(in.State).Limit(100), nil
}

// NewOrder is the input of Create.
type NewOrder struct {
	Item    string  `json:"item"`
	Price   float64 `json:"price"`
	Name    string  `json:"name"`
	Email   string  `json:"email"`
	Address string  `json:"address"`
}

// Create answers POST /orders.
func (c *Orders) Create(ctx context.Context, in NewOrder) (*models.Order, error) {
	order := &models.Order{State: models.New}
	if err := tower.Assign(order, in); err != nil {
		return nil, err
	}
	return order, models.Orders.Create(ctx, c, order)
}

// OrderID is the input of what is about one order.
type OrderID struct {
	ID tower.ID `json:"id"`
}

// Pay answers POST /orders/{id}/pay. What follows from it is in package reactions.
func (c *Orders) Pay(ctx context.Context, in OrderID) (*models.Order, error) {
	return c.move(ctx, in.ID, models.New, models.Paid)
}

// Ship answers POST /orders/{id}/ship.
func (c *Orders) Ship(ctx context.Context, in OrderID) (*models.Order, error) {
	return c.move(ctx, in.ID, models.Packed, models.Shipped)
}

// move moves an order from one state to the next.
func (c *Orders) move(ctx context.Context, id tower.ID, from, to string) (*models.Order, error) {
	return tower.UpdateVisible(ctx, c, models.Orders, id, func(order *models.Order) error {
		if order.State != from {
			return tower.Conflict(fmt.Sprintf("the order is %s, not %s", order.State, from))
		}
		order.State = to
		return nil
	})
}

// Label answers GET /orders/{id}/label.svg.
func (c *Orders) Label(ctx context.Context, in OrderID) (*tower.Answer, error) {
	order, err := tower.Visible(ctx, c, models.Orders, in.ID)
	if err != nil {
		return nil, err
	}
	if len(order.Label) == 0 {
		return nil, tower.NotFound("the order has no label yet")
	}
	return tower.SendFile("label-"+order.Parcel+".svg", bytes.NewReader(order.Label), order.UpdatedAt), nil
}
