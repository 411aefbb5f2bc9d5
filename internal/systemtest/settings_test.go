package systemtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/towerkit/tower"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/towertest"
)

type mailSettings struct {
	Host     string `env:"HOST,required"`
	Port     int    `env:"PORT" envDefault:"25" validate:"min=1,max=65535"`
	Password string `env:"PASSWORD" secret:"true"`
}

type appSettings struct {
	Key   tower.Secret   `env:"APP_KEY,required"`
	Retry time.Duration  `env:"APP_RETRY" envDefault:"30s"`
	Tags  []string       `env:"APP_TAGS"`
	Base  *url.URL       `env:"APP_BASE"`
	From  netip.Addr     `env:"APP_FROM"`
	Level slog.Level     `env:"APP_LEVEL"`
	Code  int            `env:"APP_CODE" secret:"true"`
	Bound map[string]int `env:"APP_BOUND"`
	Mail  mailSettings   `envPrefix:"APP_MAIL_"`
}

func (s *appSettings) Validate(problems *tower.Problems) {
	if s.Retry < 0 {
		problems.Add("Retry", "must not be negative")
	}
}

// settle makes an application with settings in a folder with files.
func settle(t *testing.T, settings any, env string, files, variables map[string]string) (*tower.App, error) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TOWER_FOLDER", folder)
	for name, text := range variables {
		t.Setenv(name, text)
	}
	config := sample()
	config.Env, config.Settings = env, settings
	config.Log = slog.New(slog.DiscardHandler)
	return tower.New(config)
}

func TestSettingsComeFromTheEnvironmentAndFromFiles(t *testing.T) {
	settings := &appSettings{}
	_, err := settle(t, settings, "test",
		map[string]string{".env": "APP_KEY=from-file\nAPP_MAIL_HOST=mail.test\nAPP_TAGS=a,b\n", ".env.test": "APP_BASE=https://example.com/x\nAPP_FROM=10.0.0.1\nAPP_BOUND=a:1,b:2\n"},
		map[string]string{"APP_TAGS": "c", "APP_LEVEL": "warn", "APP_MAIL_PASSWORD": "hush"})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(settings.Key.Reveal(), settings.Retry, settings.Tags, settings.Base, settings.From, settings.Level, settings.Bound, settings.Mail)
	if want := "from-file30s [c] https://example.com/x 10.0.0.1 WARN map[a:1 b:2] {mail.test 25 hush}"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	_, err = settle(t, &appSettings{}, "production", map[string]string{".env": "APP_KEY=x\nAPP_MAIL_HOST=x\n"}, nil)
	if err == nil || !strings.Contains(err.Error(), "APP_KEY is not set") {
		t.Errorf("production reads .env: %v", err)
	}
}

// rangeSettings are part of other settings, with a rule of their own.
type rangeSettings struct {
	Low  int `env:"LOW"`
	High int `env:"HIGH"`
}

func (s *rangeSettings) Validate(problems *tower.Problems) {
	if s.High < s.Low {
		problems.Add("High", "is below the other")
	}
}

func TestSettingsOfSeveralStructs(t *testing.T) {
	type other struct {
		Bounds rangeSettings `envPrefix:"OTHER_"`
	}
	first, second := &appSettings{}, &other{}
	given := map[string]string{"APP_KEY": "x", "APP_MAIL_HOST": "mail.test", "OTHER_LOW": "1", "OTHER_HIGH": "2"}
	if _, err := settle(t, []any{first, second}, "test", nil, given); err != nil || first.Mail.Host != "mail.test" || second.Bounds.High != 2 {
		t.Fatalf("%+v, %v", second, err)
	}
	given["OTHER_HIGH"] = "0"
	if _, err := settle(t, []any{&appSettings{}, &other{}}, "test", nil, given); err == nil || !strings.Contains(err.Error(), "OTHER_HIGH is below the other") {
		t.Error(err)
	}
}

func TestAllProblemsOfSettingsAreReportedTogether(t *testing.T) {
	_, err := settle(t, &appSettings{}, "test", nil, map[string]string{
		"APP_KEY": "", "APP_RETRY": "soon", "APP_CODE": "hush", "APP_FROM": "nowhere", "APP_TAGS": "", "TOWER_SECRET": "hush", "TOWER_CONSOLE": "maybe", "APP_MAIL_PORT": "many"})
	if err == nil {
		t.Fatal("it starts")
	}
	for _, want := range []string{
		"APP_KEY is not set", "APP_MAIL_HOST is not set", `APP_RETRY is "soon"; its type is time.Duration`, "APP_CODE does not fit its type, int",
		`APP_FROM is "nowhere"`, `APP_MAIL_PORT is "many"; its type is int`, "TOWER_SECRET: key 1 of 1 has 4 characters", `TOWER_CONSOLE is "maybe"; it is on or off`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "hush") {
		t.Errorf("a secret is shown: %v", err)
	}
	_, err = settle(t, &appSettings{}, "test", nil, map[string]string{"APP_KEY": "k", "APP_MAIL_HOST": "m", "APP_MAIL_PORT": "70000", "APP_RETRY": "-1s", "APP_CODE": "1", "APP_FROM": "::1",
		"TOWER_SECRET": "", "TOWER_CONSOLE": ""})
	if err == nil || !strings.Contains(err.Error(), "APP_MAIL_PORT must be at most 65535") || !strings.Contains(err.Error(), "APP_RETRY must not be negative") {
		t.Errorf("rules: %v", err)
	}
	for what, settings := range map[string]any{"a struct": appSettings{}, "a nil pointer": (*appSettings)(nil), "a number": 3,
		"a channel": &struct {
			C chan int `env:"APP_CHANNEL"`
		}{}} {
		if _, err := settle(t, settings, "test", nil, map[string]string{"APP_CHANNEL": "x"}); err == nil || !strings.Contains(err.Error(), "Config.Settings") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	type inner struct{ key tower.Secret }
	secret := tower.NewSecret("hush")
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "secret", secret, "nested", inner{secret}, "settings", appSettings{Key: secret})
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", secret, "settings", appSettings{Key: secret})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb+verb, secret, inner{secret}, &inner{secret}, []tower.Secret{secret})
	}
	encoded, err := json.Marshal(map[string]any{"secret": secret, "settings": appSettings{Key: secret}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	if text := out.String(); strings.Contains(text, "hush") || strings.Contains(text, fmt.Sprintf("%x", "hush")) || !strings.Contains(text, "[secret]") {
		t.Error(text)
	}
	if secret.Reveal() != "hush" || secret.IsEmpty() || !(tower.Secret{}).IsEmpty() || fmt.Sprint(tower.Secret{}) != "" {
		t.Error("the secret is lost")
	}
}

func TestAConsoleListsSettings(t *testing.T) {
	app, path := controlled(t, func() *towertest.App {
		t.Setenv("APP_KEY", "hush")
		t.Setenv("APP_MAIL_HOST", "mail.test")
		t.Setenv("TOWER_SECRET", "hush-0123456789-abcdefghijklmnop")
		config := sample()
		config.Settings = &appSettings{}
		return towertest.Open(t, config)
	})
	_ = app
	var all []wire.Setting
	if refused := attach(t, path).do(wire.ControlRequest{Do: wire.DoSettings}, &all); refused != "" {
		t.Fatal(refused)
	}
	text := fmt.Sprintf("%+v", all)
	for _, want := range []string{
		"{Name:APP_KEY Value: From:the environment Secret:true Required:true}", "{Name:APP_RETRY Value:30s From:default Secret:false Required:false}",
		"{Name:APP_TAGS Value: From: Secret:false Required:false}", "{Name:APP_MAIL_HOST Value:mail.test From:the environment Secret:false Required:true}",
		"{Name:TOWER_SECRET Value: From:the environment Secret:true Required:false}",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nlacks %s", text, want)
		}
	}
	if strings.Contains(text, "hush") {
		t.Errorf("a secret is shown: %s", text)
	}
}
