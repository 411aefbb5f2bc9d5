// Package openapi describes an application's actions, cursors and handlers as an OpenAPI 3.0
// document.
package openapi
