package main

import (
	"github.com/towerkit/tower"

	"orders/controllers"
)

// Routes lists what clients may call and open.
func Routes() *tower.Router[*controllers.Session] {
	r := tower.NewRouter(controllers.Connect)

	orders := tower.Mount(r, "orders", controllers.NewOrders)
	tower.Page(orders, "GET /", (*controllers.Orders).Index)
	tower.Page(orders, "GET /orders/{id}/label.svg", (*controllers.Orders).Label)
	tower.Cursor(orders, "in", (*controllers.Orders).In)
	tower.Action(orders, "POST /orders", (*controllers.Orders).Create, tower.RedirectTo("/"))
	tower.Action(orders, "POST /orders/{id}/pay", (*controllers.Orders).Pay)
	tower.Action(orders, "POST /orders/{id}/ship", (*controllers.Orders).Ship)

	reports := tower.Mount(r, "reports", controllers.NewReports)
	tower.Page(reports, "GET /reports", tower.ViewOnly)
	tower.Cursor(reports, "newest", (*controllers.Reports).Newest)

	return r
}
