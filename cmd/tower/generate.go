package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/towerkit/tower/internal/cli"
	"github.com/towerkit/tower/internal/openapi"
	"github.com/towerkit/tower/internal/repl/control"
	"github.com/towerkit/tower/internal/upgrade"
	"github.com/towerkit/tower/internal/wire"
	"github.com/towerkit/tower/scaffolds"
)

func newGenerate() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "generate KIND NAME [FIELD:TYPE…]",
		Aliases: []string{"g"},
		Short:   "Generate a model, a controller, both with their pages, or a field",
		Long: `Generate code in the application: a model, a controller, or a scaffold, which is both
with their pages and tests. tower destroy removes it again. tower generate types writes
TypeScript types for a front end in app/.

tower generate field adds fields to a model that is there, and to the controller and the
pages of its scaffold. A ref is a choice in the form, and the pages show the name of the
record. If a file has no place for its lines any more, nothing is changed,
and the lines to add by hand are shown.

tower generate mail writes a mail, with its view and a test, and the layout of all mail.

tower generate auth writes accounts: signing up and in by mail and by password, devices,
changes of address and password, and the pages, mails and tests of all that. The model of
users is User, or the name that you give. With --passkey users also sign in by passkeys, and
with --totp they may add a second step, a code of an authenticator application; with --oidc
they also sign in at other providers, such as Google, by OpenID Connect; with --api they make
tokens for programs; with --teams they make teams, invite others by mail, and have roles that
rules follow. All of that can be added later.

tower generate deploy writes what runs the application elsewhere: units of systemd and
the script that installs them, a Dockerfile, fly.toml, and a workflow of GitHub. Name some
of systemd, docker, fly and github, or none for all.

A field is NAME:TYPE, where TYPE is string, text, int, float, bool, time, list, enum, ref
or password. A list holds texts. An enum lists its values, in quotes for the shell:
'state:enum(open,done)'. A ref refers to another model: author:ref to Author,
author:ref=users to User. Options may follow: title:string:required, email:string:unique,
done:bool:index. A number may be empty if it is optional, rank:int:optional. A private
field, notes:text:private, is in the model only: no page shows it, and no client receives
or sends it. A password, password:password, is stored as its hash, which no client
receives.`,
		Example: `  tower generate scaffold Post title:string body:text published:bool author:ref
  tower generate model User name:string email:string:unique
  tower generate field Task due:time owner:ref=users 'state:enum(open,done)'
  tower generate controller Pages about contact
  tower generate mail Welcome
  tower generate auth
  tower generate auth --passkey --totp
  tower generate types
  tower generate deploy`,
	}
	cmd.AddCommand(newGenerateTypes(), newGenerateOpenAPI(), newGenerateMigration())
	return plannedCommand(cmd, scaffolds.Generate, "overwrite files that differ from the generated ones")
}

func newDestroy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "destroy KIND NAME",
		Short: "Remove what generate wrote",
		Long: `Remove exactly what tower generate wrote: its files, and the lines that it inserted into
other files. A file that was edited is kept and listed.`,
		Example: `  tower destroy scaffold Post
  tower destroy field Task due
  tower destroy controller Pages --dry-run
  tower destroy auth --passkey`,
	}
	return plannedCommand(cmd, scaffolds.Destroy, "also remove files that were edited")
}

// plannedCommand adds arguments, flags and the run function to a command that plans a
// change of the application, prints the plan and applies it.
func plannedCommand(cmd *cobra.Command, plan func(folder, kind string, args []string, force bool) (*scaffolds.Plan, error), forcing string) *cobra.Command {
	var dryRun, force bool
	parts := scaffolds.AuthParts()
	chosen := make([]bool, len(parts))
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 && !slices.Equal(args, []string{"deploy"}) && !slices.Equal(args, []string{"auth"}) { // an application has one
			return cli.Usage(cmd.Name()+" needs a kind and a name; the kinds are "+strings.Join(scaffolds.Kinds(), ", "),
				"see: "+cmd.CommandPath()+" --help")

		}
		if at := slices.Index(chosen, true); at >= 0 && args[0] != "auth" {
			return cli.Usage("--"+parts[at].Name+" is for auth", "tower "+cmd.Name()+" auth --"+parts[at].Name)
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for i, part := range parts {
			if chosen[i] {
				args = append(args, "--"+part.Name)
			}
		}
		app, err := findApplication()
		if err != nil {
			return err
		}
		made, err := plan(app.Folder, args[0], args[1:], force)
		if err != nil {
			return cli.ArgumentError(cmd, err)
		}
		if err := applyPlan(cmd.OutOrStdout(), made, dryRun); err != nil || dryRun {
			return err
		}
		return requireModules(cmd, app, made)
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return scaffolds.Kinds(), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the plan, and change nothing")
	cmd.Flags().BoolVar(&force, "force", false, forcing)
	for i, part := range parts {
		cmd.Flags().BoolVar(&chosen[i], part.Name, false, "auth: "+part.About)
	}
	return cmd
}

// ownModules are what packages of tower's need beside tower that an application imports only if
// it uses them.
var ownModules = map[string][]string{
	"passkey":  {"github.com/fxamacker/cbor/v2", "github.com/go-viper/mapstructure/v2", "github.com/go-webauthn/webauthn", "github.com/go-webauthn/x", "github.com/golang-jwt/jwt/v5", "github.com/google/go-tpm", "github.com/google/uuid", "github.com/philhofer/fwd", "github.com/tinylib/msgp", "github.com/x448/float16", "golang.org/x/crypto", "golang.org/x/sys"},
	"oidc":     {"github.com/coreos/go-oidc/v3", "github.com/go-jose/go-jose/v4", "golang.org/x/oauth2", "golang.org/x/sync"},
	"password": {"github.com/alexedwards/argon2id", "golang.org/x/crypto", "golang.org/x/sys"},
	"totp":     {"github.com/boombuler/barcode"},
	"smtp":     {"github.com/wneessen/go-mail", "golang.org/x/crypto", "golang.org/x/net", "golang.org/x/text"},
}

// requireModules completes the application's go.mod if generated code imports such a package:
// go mod tidy removes what it needs while nothing imports it.
func requireModules(cmd *cobra.Command, app *application, made *scaffolds.Plan) error {
	var modules []string
	for _, step := range made.Steps {
		text, err := os.ReadFile(filepath.Join(app.Folder, filepath.FromSlash(step.Path)))
		if err != nil || path.Ext(step.Path) != ".go" {
			continue
		}
		for name, needed := range ownModules {
			if strings.Contains(string(text), strconv.Quote(towerModule+"/"+name)) {
				modules = append(modules, needed...)
			}
		}
	}
	if modules == nil {
		return nil
	}
	slices.Sort(modules)
	source := app.Replace
	if source == "" {
		list := exec.CommandContext(cmd.Context(), "go", "list", "-m", "-f", "{{.Dir}}", towerModule)
		list.Dir = app.Folder
		out, err := list.Output()
		if err != nil {
			return cli.Hinted(fmt.Errorf("find what the generated code requires: %s", firstLine(err)), "go mod tidy completes go.mod")
		}
		source = strings.TrimSpace(string(out))
	}
	added, err := upgrade.Complete(app.Folder, source, slices.Compact(modules))
	if err != nil {
		return cli.Hinted(err, "go mod tidy completes go.mod")
	}
	if len(added) > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "      update  go.mod  requires %s\n", strings.Join(added, ", "))
	}
	return nil
}

// derivedCommand adds the flags and the run function to a command that writes what follows
// from the declarations of the application. It starts the application if it is not running.
func derivedCommand(cmd *cobra.Command, plan func(app *application, connected *control.Client, schema wire.Schema, force bool) (*scaffolds.Plan, error)) *cobra.Command {
	var dryRun, force bool
	cmd.Args = cli.NoArguments
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		app, err := findApplication()
		if err != nil {
			return err
		}
		app.Env = "development"
		return app.Connected(cmd, func(connected *control.Client) error {
			schema, err := fetchSchema(cmd.Context(), connected)
			if err != nil {
				return err
			}
			made, err := plan(app, connected, schema, force)
			if err != nil {
				return err
			}
			return applyPlan(cmd.OutOrStdout(), made, dryRun)
		})
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the plan, and change nothing")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite a file that tower did not write")
	return cmd
}

func fetchSchema(ctx context.Context, connected *control.Client) (schema wire.Schema, err error) {
	err = connected.Do(ctx, wire.ControlRequest{Do: wire.DoSchema}, &schema)
	return schema, err
}

func newGenerateOpenAPI() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Write an OpenAPI document of the application's routes",
		Long: `Write openapi.json: an OpenAPI 3.0 document of the actions, the cursors as they are read
over HTTP, and the handlers, from their Go declarations. If the application is not
running, tower generate openapi starts it.

An application whose Config.OpenAPI is set serves the document at /_tower/openapi.json.`,
	}
	return derivedCommand(cmd, func(app *application, connected *control.Client, schema wire.Schema, force bool) (*scaffolds.Plan, error) {
		document, err := openapi.Document(schema, openapi.Info{Title: connected.Hello().App})
		if err != nil {
			return nil, err
		}
		return scaffolds.OpenAPI(app.Folder, document, openapi.Mark, force)
	})
}
