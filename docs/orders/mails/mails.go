// Package mails holds the mail that the shop sends.
package mails

import (
	"github.com/towerkit/tower"
	_ "github.com/towerkit/tower/smtp" // sends it

	"orders/models"
)

// Office is who receives reports.
var Office = tower.Address{Name: "The office", Email: "office@example.com"}

// Shipped tells a buyer that an order is on its way.
func Shipped(order *models.Order) *tower.Mail {
	return &tower.Mail{
		View:    "mail/shipped.html",
		To:      []tower.Address{{Name: order.Name, Email: order.Email}},
		Subject: order.Item + " is on its way",
		Data:    order,
	}
}

// Daily tells the office what was shipped on a day.
func Daily(report *models.Report) *tower.Mail {
	return &tower.Mail{
		View:    "mail/daily.html",
		To:      []tower.Address{Office},
		Subject: "Shipped on " + report.Day,
		Data:    report,
	}
}
