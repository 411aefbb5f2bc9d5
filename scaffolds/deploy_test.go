package scaffolds

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
	"go.yaml.in/yaml/v4"

	"github.com/towerkit/tower/internal/server/health"
)

func TestDeployFiles(t *testing.T) {
	dir := newApp(t)
	before := tree(t, dir)
	generate(t, dir, "deploy")
	for _, f := range deployFiles {
		name := strings.ReplaceAll(f.name, "NAME", "blog")
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "[[.") || strings.Contains(string(text), "<no value>") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	if out, err := exec.Command("sh", "-n", filepath.Join(dir, "deploy", "install.sh")).CombinedOutput(); err != nil {
		t.Errorf("install.sh: %v %s", err, out)
	}
	checkUnits(t, filepath.Join(dir, "deploy"))
	checkKamal(t, filepath.Join(dir, "config", "deploy.yml"))
	destroy(t, dir, "deploy")
	after := tree(t, dir)
	delete(before, manifestName)
	delete(after, manifestName)
	for name := range after {
		if _, was := before[name]; !was {
			t.Errorf("destroy left %s", name)
		}
	}
}

// checkUnits reads the units, and lets systemd verify them where it is installed.
func checkUnits(t *testing.T, folder string) {
	t.Helper()
	copies := t.TempDir()
	var names []string
	for _, name := range []string{"blog.service", "blog.socket", "blog-http.socket"} {
		path := filepath.Join(folder, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unit.DeserializeOptions(bytes.NewReader(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// What it names is not on this machine.
		here := strings.NewReplacer("ExecStart=/srv/blog/current/blog", "ExecStart=/bin/true", "User=blog", "User=root").Replace(string(text))
		put(t, copies, name, here)
		names = append(names, filepath.Join(copies, name))
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, names...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), copies) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// checkKamal reads the configuration of Kamal, which refuses keys that it does not know.
func checkKamal(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Service, Image string
		Servers        struct{ Web []string }
		Proxy          struct {
			SSL            bool `yaml:"ssl"`
			Host           string
			AppPort        int  `yaml:"app_port"`
			ForwardHeaders bool `yaml:"forward_headers"`
			Healthcheck    struct {
				Path              string
				Interval, Timeout int
			}
		}
		DrainTimeout int `yaml:"drain_timeout"`
		Volumes      []string
		Env          struct {
			Clear  map[string]string
			Secret []string
		}
		Registry struct {
			Username string
			Password []string
		}
		Builder struct{ Arch string }
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil {
		t.Fatal(err)
	}
	if config.Service != "blog" || config.Image != "your-user/blog" || len(config.Servers.Web) != 1 || config.Builder.Arch == "" {
		t.Errorf("%+v", config)
	}
	if config.Proxy.AppPort != 3000 || config.Proxy.Healthcheck.Path != health.LivePath || !config.Proxy.SSL || config.Env.Clear["TOWER_URL"] != "https://"+config.Proxy.Host {
		t.Errorf("the proxy: %+v", config.Proxy)
	}
	if !slices.Equal(config.Volumes, []string{"blog_data:/data"}) || !slices.Equal(config.Env.Secret, []string{"TOWER_SECRET"}) {
		t.Errorf("%+v", config)
	}
}

func TestDeployOfSomeParts(t *testing.T) {
	dir := newApp(t)
	generate(t, dir, "deploy docker")
	if _, err := os.Stat(filepath.Join(dir, "fly.toml")); err == nil {
		t.Error("it wrote what was not asked for")
	}
	if _, err := Generate(dir, "deploy", []string{"heroku"}, false); err == nil || !strings.Contains(err.Error(), "systemd") {
		t.Errorf("an unknown part: %v", err)
	}
}
