package main

import (
	"strings"
	"testing"

	"github.com/towerkit/tower"
)

func TestSettings(t *testing.T) {
	t.Setenv("PAGE_SIZE", "1000")
	t.Setenv("RETRY", "soon")
	_, err := tower.New(Config())
	if err == nil || !strings.Contains(err.Error(), "STRIPE_KEY is not set") || !strings.Contains(err.Error(), "PAGE_SIZE must be at most 100") || !strings.Contains(err.Error(), `RETRY is "soon"; its type is time.Duration`) {
		t.Fatal(err)
	}
	t.Setenv("STRIPE_KEY", "sk_live")
	t.Setenv("PAGE_SIZE", "50")
	t.Setenv("RETRY", "1m")
	t.Setenv("MAIL_HOST", "mail.test")
	if _, err := tower.New(Config()); err != nil || Settings.PageSize != 50 || Settings.Mail.Host != "mail.test" || Settings.StripeKey.Reveal() != "sk_live" {
		t.Fatal(err, Settings)
	}
}
