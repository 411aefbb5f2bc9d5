package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/towertest"

	"orders/jobs"
	"orders/mails"
	"orders/models"
)

// tea is what Ada orders.
var tea = map[string]any{"item": "Green tea", "price": 12.5, "name": "Ada", "email": "ada@example.com", "address": "1 Analytical Row\nLondon"}

// place places an order, and returns its id.
func place(t *testing.T, client *towertest.Client) tower.ID {
	t.Helper()
	placed := client.Open("orders.in", map[string]any{"state": "new"})
	if made := client.Call("POST /orders", tea); made.Status != http.StatusCreated {
		t.Fatalf("create answered %d %v", made.Status, made.Problems)
	}
	placed.AwaitLen(1)
	return tower.ID(placed.IDs()[0])
}

func TestAnOrderIsPaidPackedAndShipped(t *testing.T) {
	app := towertest.Open(t, Config())
	office := app.Connect(t, "")
	packed, shipped := office.Open("orders.in", map[string]any{"state": "packed"}), office.Open("orders.in", map[string]any{"state": "shipped"})
	id := place(t, office)

	if paid := office.Call("POST /orders/"+string(id)+"/pay", nil); paid.Status != http.StatusOK {
		t.Fatalf("pay answered %d %v", paid.Status, paid.Problems)
	}
	if ran := app.RunReactions(t); ran != 1 {
		t.Errorf("%d reactions to a payment", ran)
	}
	if ran := app.Jobs().Run(t); ran != 1 {
		t.Errorf("%d jobs pack an order", ran)
	}
	packed.AwaitLen(1)
	if status, label := app.Get(t, "/orders/"+string(id)+"/label.svg"); status != http.StatusOK || !strings.Contains(label, "1 Analytical Row") {
		t.Errorf("the label is %d %s", status, label)
	}

	office.Call("POST /orders/"+string(id)+"/ship", nil)
	shipped.AwaitLen(1)
	app.RunReactions(t)
	if mail := app.Mail().Wait(t, "ada@example.com"); mail.Subject != "Green tea is on its way" || !strings.Contains(mail.Text, "Hello Ada") {
		t.Errorf("the mail is %q:\n%s", mail.Subject, mail.Text)
	}
	if again := office.Call("POST /orders/"+string(id)+"/ship", nil); again.Status != http.StatusConflict {
		t.Errorf("shipping it again answered %d", again.Status)
	}
}

// An order that is paid in the console, or by a program, is packed just the same.
func TestWhoeverHasWritten(t *testing.T) {
	app := towertest.Open(t, Config())
	order := &models.Order{Item: "Kettle", Price: 40, Name: "Bob", Email: "bob@example.com", Address: "2 Road", State: models.Paid}
	if err := models.Orders.Create(t.Context(), app, order); err != nil {
		t.Fatal(err)
	}
	app.RunReactions(t)
	app.Jobs().Run(t)
	if order, err := models.Orders.Find(t.Context(), app, order.ID); err != nil || order.State != models.Packed {
		t.Errorf("the order is %+v, %v", order, err)
	}
}

// In the morning there is a report of the day before.
func TestTheNightlyReport(t *testing.T) {
	app := towertest.Open(t, Config())
	reports := app.Connect(t, "").Open("reports.newest", nil)
	order := &models.Order{Item: "Kettle", Price: 40, Name: "Bob", Email: "bob@example.com", Address: "2 Road", State: models.Shipped}
	if err := models.Orders.Create(t.Context(), app, order); err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation(jobs.Zone)
	if err != nil {
		t.Fatal(err)
	}
	shipped := app.Now().In(zone)
	year, month, day := shipped.Date()
	app.Advance(time.Date(year, month, day+1, 6, 30, 1, 0, zone).Sub(app.Now()))
	app.Jobs().Run(t)
	mail := app.Mail().Wait(t, mails.Office.Email)
	for mail.Subject != "Shipped on "+shipped.Format(time.DateOnly) { // before half past six, there is one of yesterday too
		mail = app.Mail().Wait(t, mails.Office.Email)
	}
	if !strings.Contains(mail.Text, "Shipped: 1") || !strings.Contains(mail.Text, "40.00") {
		t.Errorf("the report says:\n%s", mail.Text)
	}
	reports.Await(func(ids []string) bool { return len(ids) > 0 })
}

func TestWhatIsMissing(t *testing.T) {
	app := towertest.Open(t, Config())
	client := app.Connect(t, "")
	for _, field := range []string{"item", "price", "name", "email", "address"} {
		order := map[string]any{}
		for name, value := range tea {
			if name != field {
				order[name] = value
			}
		}
		if made := client.Call("POST /orders", order); made.Status != http.StatusUnprocessableEntity || len(made.Problems[field]) == 0 {
			t.Errorf("without %s: %d %v", field, made.Status, made.Problems)
		}
	}
}

func TestPages(t *testing.T) {
	app := towertest.Open(t, Config())
	place(t, app.Connect(t, ""))
	for page, text := range map[string]string{"/": "Green tea", "/reports": "Reports"} {
		if status, body := app.Get(t, page); status != http.StatusOK || !strings.Contains(body, text) {
			t.Errorf("GET %s answered %d:\n%s", page, status, body)
		}
	}
}
