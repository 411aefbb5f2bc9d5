package main

import (
	"embed"

	"github.com/towerkit/tower"
)

//go:embed all:views all:public
var files embed.FS

func main() { tower.Main(Config()) }
