// Package controllers has a test.
package controllers
