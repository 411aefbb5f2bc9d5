// Package https tests certificates and HTTPS.
package https
