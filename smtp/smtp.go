// Package smtp lets an application send mail:
//
//	import _ "github.com/towerkit/tower/smtp"
//
// In production it is sent to the server TOWER_SMTP, like
// smtp://user:password@smtp.example.com:587, from TOWER_MAIL_FROM. See Mail of package tower,
// and the guide on mail.
package smtp

import (
	"github.com/towerkit/tower/internal/mail"
	"github.com/towerkit/tower/internal/mail/smtp"
)

func init() { mail.Installed = smtp.Driver{} }
