package models

import "github.com/towerkit/tower"

// A Report says what was shipped on a day.
type Report struct {
	tower.Record
	Day     string  `json:"day" tower:"unique"` // 2026-01-31
	Orders  int     `json:"orders"`
	Revenue float64 `json:"revenue"`
}

var Reports = tower.NewModel[Report]("reports")

// Newest returns the reports, the last day first.
func Newest() tower.Scope[Report] { return Reports.All().Desc(&Reports.Fields.Day) }
