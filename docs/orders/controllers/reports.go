package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"orders/models"
)

// Reports is what clients may see of reports.
type Reports struct{ *Session }

// NewReports makes the controller of one connection.
func NewReports(s *Session) *Reports { return &Reports{s} }

// Newest is the live list of the last thirty reports.
func (c *Reports) Newest(ctx context.Context, in tower.None) (tower.Scope[models.Report], error) {
	return models.Newest().Limit(30), nil
}
