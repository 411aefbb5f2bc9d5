import "./board.css";
import { createRoot } from "react-dom/client";
import { Board } from "./parts/Board";

createRoot(document.getElementById("board")!).render(<Board />);
