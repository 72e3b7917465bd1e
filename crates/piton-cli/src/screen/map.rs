//! The file drawn as cells: which bytes are saved, and where connections are working.

use piton::fetch::Piece;

/// One character per cell; cells in which a connection works are highlighted if colours are enabled.
pub(super) fn draw(pieces: &[Piece], colours: bool) -> String {
    let mut drawn = String::new();
    let mut colour = "";
    for piece in pieces {
        let wanted = match piece {
            _ if !colours => "",
            Piece { active: true, .. } => "\x1b[36m",
            _ => "\x1b[32m",
        };
        if wanted != colour {
            drawn.push_str(wanted);
            colour = wanted;
        }
        drawn.push(cell(*piece));
    }
    if !colour.is_empty() {
        drawn.push_str("\x1b[0m");
    }
    drawn
}

/// Full only if nothing is missing.
fn cell(piece: Piece) -> char {
    match piece.filled {
        filled if filled >= 1.0 => '█',
        filled if filled >= 0.66 => '▓',
        filled if filled >= 0.33 => '▒',
        filled if filled > 0.0 || piece.active => '░',
        _ => '·',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let piece = |filled, active| Piece { filled, active };
        let pieces = [
            piece(1.0, false),
            piece(0.99, true),
            piece(0.5, true),
            piece(0.01, false),
            piece(0.0, true),
            piece(0.0, false),
        ];
        assert_eq!(draw(&pieces, false), "█▓▒░░·");
        assert_eq!(draw(&pieces, true), "\x1b[32m█\x1b[36m▓▒\x1b[32m░\x1b[36m░\x1b[32m·\x1b[0m");
        assert_eq!(draw(&[], true), "");
    }
}
