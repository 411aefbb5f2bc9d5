package main

import _ "github.com/towerkit/tower"

const greeting = "hello"
