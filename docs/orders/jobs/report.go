package jobs

import (
	"context"
	"time"

	"github.com/towerkit/tower"

	"orders/mails"
	"orders/models"
)

// Zone is where the shop is: its days begin there.
const Zone = "Europe/Berlin"

// Report writes down what was shipped on the day before, and mails it to the office.
var Report = tower.NewJob[tower.None]("report")

// DoReport writes the report of the day before the one for which it was scheduled.
func DoReport(ctx context.Context, app *tower.App, _ tower.None) error {
	zone, err := time.LoadLocation(Zone)
	if err != nil {
		return tower.Permanent(err)
	}
	run := tower.RunOf(ctx)
	year, month, day := run.ScheduledAt().In(zone).Date()
	from, to := time.Date(year, month, day-1, 0, 0, 0, 0, zone), time.Date(year, month, day, 0, 0, 0, 0, zone)
	return app.Transaction(ctx, func(tx *tower.Tx) error {
		report := &models.Report{Day: from.Format(time.DateOnly)}
		if n, err := models.Reports.Where(tower.Is(&models.Reports.Fields.Day, report.Day)).Count(ctx, tx); err != nil || n > 0 {
			return err // somebody has run the job before its time
		}
		for order, err := range models.ShippedBetween(from, to).Each(ctx, tx) {
			if err != nil {
				return err
			}
			report.Orders++
			report.Revenue += order.Price
		}
		if err := models.Reports.Create(ctx, tx, report); err != nil {
			return err
		}
		if _, err := mails.Daily(report).Send(ctx, tx); err != nil {
			return err
		}
		return run.Complete(tx, report)
	})
}
