// Package chart draws how figures grow, for the docs. It owns what such a drawing looks
// like, and must not know what was measured.
package chart

import (
	"fmt"
	"image/color"
	"maps"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Chart is one drawing.
type Chart struct {
	Title, X, Y string
	// Series are points by the name of what they are of.
	Series map[string][]Point
}

// Point is one measurement.
type Point struct{ X, Y float64 }

// colors tell series apart, also for those who do not see all colours: each has its own
// shade and dashes.
var colors = []color.RGBA{{R: 0x0b, G: 0x5f, B: 0xa5, A: 0xff}, {R: 0xd9, G: 0x5f, B: 0x02, A: 0xff}, {R: 0x4d, G: 0x4d, B: 0x4d, A: 0xff}, {R: 0x1b, G: 0x7a, B: 0x3d, A: 0xff}}

// Draw writes a chart as SVG, with both axes from zero: what grows in proportion is a
// straight line.
func (c Chart) Draw(path string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	for i, name := range slices.Sorted(maps.Keys(c.Series)) {
		points := make(plotter.XYs, 0, len(c.Series[name]))
		for _, one := range c.Series[name] {
			points = append(points, plotter.XY{X: one.X, Y: one.Y})
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("draw %s of %s: %w", name, c.Title, err)
		}
		line.Color, marks.Color = colors[i%len(colors)], colors[i%len(colors)]
		line.Width, line.Dashes = vg.Points(1.5), []vg.Length{vg.Points(float64(8 * (i + 1))), vg.Points(float64(3 * i))}
		p.Add(line, marks)
		p.Legend.Add(name, line, marks)
	}
	if err := p.Save(14*vg.Centimeter, 9*vg.Centimeter, path); err != nil {
		return fmt.Errorf("draw %s: %w", c.Title, err)
	}
	return nil
}
