module example.com/blog

go 1.26

require github.com/towerkit/tower v0.0.0

replace github.com/towerkit/tower => ../tower
