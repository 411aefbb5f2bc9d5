module github.com/towerkit/tower

go 1.26
