package controllers

import (
	"context"
	"errors"
)

// exchangeCode stands for the request to the other site.
func exchangeCode(ctx context.Context, code string) (string, error) {
	if code != "right" {
		return "", errors.New("no such code")
	}
	return "ada@example.com", nil
}
