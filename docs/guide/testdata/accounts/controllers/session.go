package controllers

import (
	"context"

	"github.com/towerkit/tower"

	"blog/models"
)

// A Session is what all controllers of one connection share, as tower generate auth --teams writes it.
type Session struct {
	*tower.Connection
	CurrentUser *models.User
	Roles       map[tower.ID]string
}

// Connect finds out who a client is, and follows the roles.
func Connect(ctx context.Context, c *tower.Connection) (*Session, error) {
	user, err := models.Users.Follow(ctx, c, c.UserID())
	if err != nil || user == nil {
		return &Session{Connection: c}, err
	}
	mine, err := models.Memberships.Where(tower.Is(&models.Memberships.Fields.UserID, user.ID)).Follow(ctx, c)
	roles := map[tower.ID]string{}
	for _, m := range mine {
		roles[m.TeamID] = m.Role
	}
	return &Session{c, user, roles}, err
}

// Manages reports whether the user is an owner or an admin of a team.
func (s *Session) Manages(team tower.ID) bool {
	return s.Roles[team] == "owner" || s.Roles[team] == "admin"
}
