// Package deploy tests tower deploy and releases as processes.
package deploy
