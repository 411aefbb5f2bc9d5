package tower

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/towerkit/tower/internal/server"
	"github.com/towerkit/tower/internal/server/session"
	"github.com/towerkit/tower/internal/store/typed"
)

// Sessions is the model of the sessions of an application's users, which every application
// has. [Connection.SignIn] starts one for the device of its client. It ends when its record is deleted: by
// SignOut, EndSessions, an action, the console, or any other program. In that commit its
// connections end, on all nodes, and its cookie is nobody's. So a list of one's devices is a
// cursor, and ending one is
//
//	tower.Sessions.Delete(ctx, tx, id)
//
// Change no field but Label. A console does not undo changes of sessions.
//
//	func (d *Devices) Mine(ctx context.Context, in tower.None) (tower.Scope[tower.SessionRecord], error) {
//		session := tower.Sessions.Fields
//		return tower.Sessions.Where(tower.Is(&session.UserID, d.UserID())).Desc(&session.SeenAt), nil
//	}
var Sessions = newOwn[SessionRecord]("tower_sessions")

// A SessionRecord is the record of a session: one signed-in device.
type SessionRecord struct {
	Record
	UserID    ID        `json:"userId" tower:"index"`
	Method    string    `json:"method"`                  // how its user signed in: see [SessionMethod]
	Label     string    `json:"label"`                   // "Firefox on Linux", until the application changes it
	Address   string    `json:"address"`                 // of the client that signed in
	Agent     string    `json:"agent"`                   // its user agent, at most 300 bytes
	SeenAt    time.Time `json:"seenAt"`                  // used, to the hour, or more exactly with a short [Config].SessionIdle
	ExpiresAt time.Time `json:"expiresAt" tower:"index"` // it ends then unless it is used before
	EndsAt    time.Time `json:"endsAt"`                  // it ends then
	Token     string    `json:"token" tower:"private"`   // the hash of what its cookie names it by

	ActorID        ID `json:"actorId"`                                                                // who sees the application as the user: see [Connection.SeeAs]
	ActorSessionID ID `json:"actorSessionId" tower:"ref=tower_sessions,delete=cascade,index,private"` // that user's own session
}

// Tokens is the model of the tokens of an application's users, which every application has.
// [IssueToken] makes one. A program sends it as a header, over HTTP and as it opens a socket or
// a stream:
//
//	Authorization: Bearer twr_…
//
// It is then the token's user, for the actions, pages, cursors and handlers that the token
// names. A cookie beside it does not count, and the client gets none: SignIn, SignOut and
// SetCookie do nothing for it. A request with a token that is not valid is answered with
// [CodeUnauthenticated].
//
// A token ends when its record is deleted, as a session does, when its user, its hash or its
// Actions change, and at ExpiresAt. [Connection.EndSessions] ends no tokens.
var Tokens = newOwn[TokenRecord]("tower_tokens")

// A TokenRecord is the record of a token, by which a program acts for a user.
type TokenRecord struct {
	Record
	UserID    ID        `json:"userId" tower:"index" validate:"required"`
	Name      string    `json:"name" validate:"required,max=80"` // for people: "deploy script"
	Actions   []string  `json:"actions"`                         // what it may use: "posts.create"; "posts.*" is all of a controller, "*" is all
	SeenAt    time.Time `json:"seenAt"`                          // used, to the hour; zero: not yet
	ExpiresAt time.Time `json:"expiresAt" tower:"index"`         // it ends then
	Hash      string    `json:"hash" tower:"private"`            // of the token
}

// IssueToken creates the record of a token and returns the token, which is not stored: show it
// once. UserID, Name, Actions and ExpiresAt of the record are the caller's. Actions are names of
// routes as tower routes lists them, "posts.create", and "posts.files" for downloads of the files of
// posts; IssueToken refuses others. It also refuses a call that was itself made by a token. The
// error has [CodeInvalid] if the record is not valid. IssueToken checks no password, and does not check
// that there is such a user.
//
// If the action that issues a token is sent twice, its second answer is without the token: see
// [Action].
//
//	token := &tower.TokenRecord{UserID: c.UserID(), Name: in.Name, Actions: []string{"posts.*"}, ExpiresAt: time.Now().AddDate(0, 3, 0)}
//	text, err := tower.IssueToken(ctx, c, token)
func IssueToken(ctx context.Context, db DB, token *TokenRecord) (text string, err error) {
	token.ID = NewID()
	text, token.Hash = session.NewToken(token.ID)
	err = db.Transaction(ctx, func(tx *Tx) error {
		problems := &Problems{}
		if !token.ExpiresAt.After(time.Now()) {
			problems.Add("expiresAt", "must be in the future")
		}
		unknown, err := tx.tx.ForToken(ctx, token.Actions)
		if err != nil {
			return err
		}
		if len(token.Actions) == 0 {
			problems.Add("actions", "must name what the token may use; * is all")
		} else if unknown >= 0 {
			problems.Add("actions", fmt.Sprintf("has %q, and there is no such action, page or cursor", token.Actions[unknown]))
		}
		if problems.Any() {
			return Invalid(problems)
		}
		return Tokens.Create(ctx, tx, token)
	})
	if err != nil {
		return "", err
	}
	return text, nil
}

// tokenTable is how the packages within read and write the records of tokens.
var tokenTable = &typed.Table[session.Details]{
	Model: Tokens.model,
	Read: func(rec any) session.Details {
		r := rec.(*TokenRecord)
		return session.Details{Session: session.Session{ID: r.ID, User: r.UserID, Since: r.CreatedAt, Token: r.Hash, ByToken: true, Actions: strings.Join(r.Actions, " ")},
			Label: r.Name, Seen: r.SeenAt, Expires: r.ExpiresAt, Ends: r.ExpiresAt}
	},
	Write: func(rec any, d *session.Details) {
		r := rec.(*TokenRecord)
		*r = TokenRecord{Record: r.Record, UserID: d.User, Name: d.Label, Actions: strings.Fields(d.Actions), SeenAt: d.Seen, ExpiresAt: d.Expires, Hash: d.Token}
	},
}

// sessionTable is how the packages within read and write the records of sessions.
var sessionTable = &typed.Table[session.Details]{
	Model: Sessions.model,
	Read: func(rec any) session.Details {
		r := rec.(*SessionRecord)
		return session.Details{Session: session.Session{ID: r.ID, User: r.UserID, Since: r.CreatedAt, Token: r.Token, Actor: r.ActorID, Under: r.ActorSessionID}, Method: r.Method, Label: r.Label,
			Address: r.Address, Agent: r.Agent, Seen: r.SeenAt, Expires: r.ExpiresAt, Ends: r.EndsAt}
	},
	Write: func(rec any, d *session.Details) {
		r := rec.(*SessionRecord)
		*r = SessionRecord{Record: r.Record, UserID: d.User, Token: d.Token, Method: d.Method, Label: d.Label, Address: d.Address, Agent: d.Agent,
			SeenAt: d.Seen, ExpiresAt: d.Expires, EndsAt: d.Ends, ActorID: d.Actor, ActorSessionID: d.Under}
	},
}

// The times after which sessions end, unless [Config] sets others.
const (
	defaultSessionIdle = 30 * 24 * time.Hour
	defaultSessionAge  = 180 * 24 * time.Hour
	leastSessionIdle   = time.Minute
)

// sessions adds the models of sessions and tokens, and returns their options.
func (c Config) sessions(out *server.Config) (o session.Options, err error) {
	o = session.Options{Table: sessionTable, Tokens: tokenTable, Idle: defaultSessionIdle, Age: defaultSessionAge}
	if c.SessionIdle != 0 {
		o.Idle = c.SessionIdle
	}
	if c.SessionAge != 0 {
		o.Age = c.SessionAge
	}
	if o.Idle < leastSessionIdle || o.Age < leastSessionIdle {
		return o, errors.New("Config.SessionIdle and Config.SessionAge are at least a minute; 0 is the default")
	}
	addOwn(out, Sessions)
	addOwn(out, Tokens)
	return o, nil
}

// A SessionOption says something of a session that [Connection.SignIn] starts.
type SessionOption struct{ set func(*session.Start) }

// SessionMethod names how the user has shown who they are, such as "password" or "passkey".
func SessionMethod(name string) SessionOption {
	return SessionOption{func(s *session.Start) { s.Method = name }}
}

// SessionAge has the session end after a time, however much it is used, if that is sooner than
// [Config].SessionAge.
func SessionAge(d time.Duration) SessionOption {
	return SessionOption{func(s *session.Start) { s.Age = d }}
}

// minLetters is the least number of different characters of a key of cookies.
const minLetters = 8

// secrets returns the keys of cookies, which the given TOWER_SECRET holds: the first seals, and each
// opens. Without it, the key is in a file that the application makes for itself: in
// development in its folder, where a copy of the data does not contain it, and in a test
// beside its data. Production does not make one.
func secrets(given, env, folder, data string) (session.Keys, error) {
	keys := splitSecrets(given)
	switch {
	case len(keys) > 0:
		return session.Keys{Secrets: keys}, checkSecrets(keys)
	case env == "production":
		return session.Keys{}, errors.New("TOWER_SECRET is not set. It is the key of the cookies that say who is signed in. " +
			"Make one with: openssl rand -base64 32. Set it in the environment of this program, and keep it apart from the data and its backups")
	case env == "test":
		return session.Keys{File: data + ".secret"}, nil
	}
	return session.Keys{File: filepath.Join(folder, "tmp", "secret")}, nil
}

// splitSecrets returns the keys in a text, which are separated by commas or white space.
func splitSecrets(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// checkSecrets returns an error that names a key by its position, and shows none of it.
func checkSecrets(all []string) error {
	for i, secret := range all {
		letters := map[rune]bool{}
		for _, r := range secret {
			letters[r] = true
		}
		why := ""
		switch repeated := strings.Index((secret + secret)[1:], secret) + 1; {
		case len(secret) < session.MinSecret:
			why = fmt.Sprintf("has %d characters; it needs %d or more", len(secret), session.MinSecret)
		case len(letters) < minLetters:
			why = fmt.Sprintf("has only %d different characters, so it can be guessed", len(letters))
		case repeated < len(secret):
			why = fmt.Sprintf("repeats its first %d characters, so it can be guessed", repeated)
		default:
			continue
		}
		return fmt.Errorf("TOWER_SECRET: key %d of %d %s. Make one with: openssl rand -base64 32", i+1, len(all), why)
	}
	return nil
}
